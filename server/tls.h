/* The TLS of the listeners, in one place: certificates, versions, ciphers, ALPN, client
 * certificates (H12).
 *
 * tls_new and tls_reload are the main thread's; tls_context may be called from any thread. A
 * context lives on with the connections that were made from it, so a reload ends none. Session
 * tickets are sealed with keys that each context draws for itself and that never leave memory:
 * after a reload, or a restart, clients shake hands in full. */
#ifndef WEIR_SERVER_TLS_H
#define WEIR_SERVER_TLS_H

#include "shared/base/certificate.h"
#include "shared/base/must.h"

#include <openssl/ssl.h>

struct tls;

struct tls_settings {
    const char *cert_file;      /* PEM: the certificate, then those that vouch for it */
    const char *key_file;       /* PEM, not readable by others */
    const char *client_ca_file; /* "": clients need no certificate */
    const char *min_version;    /* "1.2" or "1.3" */
    bool allow_open_key;        /* a key file that others can read */
};

/* Whom a connection is for decides what ALPN may choose. */
enum tls_use {
    TLS_REST,   /* http/1.1 */
    TLS_REST_2, /* h2 for those who offer it, else http/1.1 */
    TLS_RPC,    /* h2 */
    TLS_EITHER, /* http/1.1 for those who offer it, else h2 */
    TLS_USES
};

/* The texts of `settings` must outlive it. NULL: `error` is a line for the operator that names the
 * setting. */
MUST_USE struct tls *tls_new(const struct tls_settings *settings, char error[256]);
/* Reads the files again. False: `error` says why, and what was there stays in use. */
MUST_USE bool tls_reload(struct tls *tls, char error[256]);
/* A new reference to the context that is in use now; ends by SSL_CTX_free. */
MUST_USE SSL_CTX *tls_context(struct tls *tls, enum tls_use use);
/* The client's verified certificate, as a new reference; NULL: it showed none. */
MUST_USE struct certificate *tls_certificate(const SSL *ssl);
/* Whether ALPN has chosen HTTP/2. */
MUST_USE bool tls_speaks_h2(const SSL *ssl);
/* Accepts NULL; returns NULL. */
struct tls *tls_free(struct tls *tls);

#endif

#include "server/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Forward secrecy and authenticated encryption only (RFC 9325); TLS 1.3 has nothing else. */
static const char ciphers_12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                 "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char groups[] = "X25519:P-256:P-384";
static const unsigned char session_context[] = "weir";
static const unsigned char http11[] = "http/1.1", h2[] = "h2";

enum { CHAIN_DEPTH = 5, TICKET_LIFE_S = 3600 };

struct contexts {
    SSL_CTX *of[TLS_USES];
};

struct tls {
    struct tls_settings settings; /* fixed */
    pthread_mutex_t mutex;
    struct contexts contexts; /* under the mutex */
};

/* --- ALPN (RFC 7301) --- */

static bool is_offered(struct span offer, const unsigned char *name, size_t len)
{
    while (offer.len > 0) {
        size_t each = (unsigned char)offer.at[0];
        if (each + 1 > offer.len)
            return false;
        if (each == len && memcmp(offer.at + 1, name, len) == 0)
            return true;
        offer = span_from(offer, each + 1);
    }
    return false;
}

static bool choose(struct span offer, const unsigned char *name, unsigned char len,
                   const unsigned char **out, unsigned char *out_len)
{
    if (!is_offered(offer, name, len))
        return false;
    *out = name;
    *out_len = len;
    return true;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *argument)
{
    const enum tls_use *use = argument;
    struct span offer = span_make((const char *)in, in_len);
    (void)ssl;
    if (*use == TLS_REST_2 && choose(offer, h2, sizeof h2 - 1, out, out_len))
        return SSL_TLSEXT_ERR_OK;
    if (*use != TLS_RPC && choose(offer, http11, sizeof http11 - 1, out, out_len))
        return SSL_TLSEXT_ERR_OK;
    if (*use != TLS_REST && choose(offer, h2, sizeof h2 - 1, out, out_len))
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* no_application_protocol; also against ALPACA */
}

/* --- contexts --- */

static bool refuse(char error[256], const char *setting, const char *text)
{
    unsigned long code = ERR_peek_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    (void)snprintf(error, 256, "%s: %s%s%s", setting, text, reason != NULL ? ": " : "",
                   reason != NULL ? reason : "");
    ERR_clear_error();
    return false;
}

static bool check_key_file(const struct tls_settings *settings, char error[256])
{
    struct stat info;
    if (stat(settings->key_file, &info) != 0)
        return refuse(error, "TLS_KEY_FILE", strerror(errno));
    if ((info.st_mode & (S_IRGRP | S_IROTH)) != 0 && !settings->allow_open_key)
        return refuse(error, "TLS_KEY_FILE",
                      "it holds a secret and can be read by others; chmod 600 it");
    return true;
}

static bool ask_for_certificates(SSL_CTX *context, const struct tls_settings *settings,
                                 char error[256])
{
    if (settings->client_ca_file[0] == '\0')
        return true;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(settings->client_ca_file);
    if (names == NULL || SSL_CTX_load_verify_file(context, settings->client_ca_file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return refuse(error, "TLS_CLIENT_CA_FILE", "a PEM file with certificates is expected");
    }
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(context, CHAIN_DEPTH);
    must(SSL_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT) == 1);
    return true;
}

static bool load_files(SSL_CTX *context, const struct tls_settings *settings, char error[256])
{
    if (SSL_CTX_use_certificate_chain_file(context, settings->cert_file) != 1)
        return refuse(error, "TLS_CERT_FILE", "a PEM file with a certificate is expected");
    if (SSL_CTX_use_PrivateKey_file(context, settings->key_file, SSL_FILETYPE_PEM) != 1)
        return refuse(error, "TLS_KEY_FILE",
                      "a PEM file with the key of TLS_CERT_FILE is expected");
    if (SSL_CTX_check_private_key(context) != 1)
        return refuse(error, "TLS_KEY_FILE", "it does not fit TLS_CERT_FILE");
    return ask_for_certificates(context, settings, error);
}

static SSL_CTX *make_context(const struct tls_settings *settings, enum tls_use use, char error[256])
{
    static const enum tls_use uses[TLS_USES] = {TLS_REST, TLS_REST_2, TLS_RPC, TLS_EITHER};
    bool newest = strcmp(settings->min_version, "1.3") == 0;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    must(context != NULL);
    ERR_clear_error();
    must(SSL_CTX_set_min_proto_version(context, newest ? TLS1_3_VERSION : TLS1_2_VERSION) == 1);
    must(SSL_CTX_set_cipher_list(context, ciphers_12) == 1);
    must(SSL_CTX_set1_groups_list(context, groups) == 1);
    /* Against renegotiation by the client, which costs a signature each time. */
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE |
                                           SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_timeout(context, TICKET_LIFE_S);
    must(SSL_CTX_set_num_tickets(context, 1) == 1);
    must(SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1) == 1);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, (void *)(uintptr_t)&uses[use]);
    if (load_files(context, settings, error))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

static void drop(struct contexts *contexts)
{
    for (size_t i = 0; i < TLS_USES; i++)
        SSL_CTX_free(contexts->of[i]);
}

static bool make_contexts(const struct tls_settings *settings, struct contexts *contexts,
                          char error[256])
{
    *contexts = (struct contexts){{NULL}};
    if (!check_key_file(settings, error))
        return false;
    for (size_t i = 0; i < TLS_USES; i++) {
        contexts->of[i] = make_context(settings, (enum tls_use)i, error);
        if (contexts->of[i] == NULL) {
            drop(contexts);
            return false;
        }
    }
    return true;
}

struct tls *tls_new(const struct tls_settings *settings, char error[256])
{
    struct contexts contexts;
    if (!make_contexts(settings, &contexts, error))
        return NULL;
    struct tls *tls = calloc(1, sizeof *tls);
    must(tls != NULL && pthread_mutex_init(&tls->mutex, NULL) == 0);
    tls->settings = *settings;
    tls->contexts = contexts;
    return tls;
}

bool tls_reload(struct tls *tls, char error[256])
{
    struct contexts contexts;
    if (!make_contexts(&tls->settings, &contexts, error))
        return false;
    (void)pthread_mutex_lock(&tls->mutex);
    struct contexts old = tls->contexts;
    tls->contexts = contexts;
    (void)pthread_mutex_unlock(&tls->mutex);
    drop(&old);
    return true;
}

SSL_CTX *tls_context(struct tls *tls, enum tls_use use)
{
    (void)pthread_mutex_lock(&tls->mutex);
    SSL_CTX *context = tls->contexts.of[use];
    must(SSL_CTX_up_ref(context) == 1);
    (void)pthread_mutex_unlock(&tls->mutex);
    return context;
}

struct tls *tls_free(struct tls *tls)
{
    if (tls == NULL)
        return NULL;
    drop(&tls->contexts);
    (void)pthread_mutex_destroy(&tls->mutex);
    free(tls);
    return NULL;
}

/* --- who the client is --- */

/* A SPIFFE ID is the only URI among the names (X509-SVID section 2); anything that is not plain
 * printable ASCII is no ID. */
static struct certificate *spiffe_name(const X509 *shown)
{
    struct span found = SPAN_EMPTY;
    struct certificate *certificate = NULL;
    size_t uris = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(shown, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
        found =
            span_make((const char *)ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));
        uris++;
    }
    bool good = uris == 1 && found.len <= CERTIFICATE_NAME_BYTES &&
                span_starts_with(found, "spiffe://") && found.len > 9;
    for (size_t i = 0; good && i < found.len; i++)
        good = found.at[i] > ' ' && found.at[i] < 0x7f;
    if (good)
        certificate = certificate_new(found, true);
    GENERAL_NAMES_free(names);
    return certificate;
}

static struct certificate *subject_name(const X509 *shown)
{
    struct certificate *certificate = NULL;
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    must(bio != NULL);
    (void)X509_NAME_print_ex(bio, X509_get_subject_name(shown), 0,
                             XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    long len = BIO_get_mem_data(bio, &text);
    if (len > 0 && len <= CERTIFICATE_NAME_BYTES)
        certificate = certificate_new(span_make(text, (size_t)len), false);
    (void)BIO_free(bio);
    return certificate;
}

struct certificate *tls_certificate(const SSL *ssl)
{
    const X509 *shown = SSL_get0_peer_certificate(ssl);
    if (shown == NULL || SSL_get_verify_result(ssl) != X509_V_OK)
        return NULL;
    struct certificate *certificate = spiffe_name(shown);
    return certificate != NULL ? certificate : subject_name(shown);
}

bool tls_speaks_h2(const SSL *ssl)
{
    const unsigned char *name = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(ssl, &name, &len);
    return len == sizeof h2 - 1 && memcmp(name, h2, len) == 0;
}

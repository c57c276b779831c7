#include "server/guard_wire.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

static void count_key_updates(int written, int version, int type, const void *bytes, size_t len,
                              SSL *ssl, void *context)
{
    struct guard_wire *wire = context;
    (void)version;
    (void)ssl;
    if (written == 0 && type == SSL3_RT_HANDSHAKE && len > 0 &&
        *(const unsigned char *)bytes == SSL3_MT_KEY_UPDATE)
        wire->key_updates++;
}

void guard_wire_init(struct guard_wire *wire, int fd, SSL_CTX *context)
{
    *wire = (struct guard_wire){.fd = fd};
    if (context == NULL)
        return;
    wire->ssl = SSL_new(context);
    must(wire->ssl != NULL && SSL_set_fd(wire->ssl, fd) == 1);
    SSL_set_accept_state(wire->ssl);
    /* Else OpenSSL would read on behind each record that is none of data, for as long as they come.
     */
    (void)SSL_clear_mode(wire->ssl, SSL_MODE_AUTO_RETRY);
    SSL_set_msg_callback(wire->ssl, count_key_updates);
    SSL_set_msg_callback_arg(wire->ssl, wire);
}

void guard_wire_fini(struct guard_wire *wire)
{
    SSL_free(wire->ssl);
    wire->ssl = NULL;
    (void)close(wire->fd);
    wire->fd = -1;
}

static int why(struct guard_wire *wire, int result)
{
    int error = SSL_get_error(wire->ssl, result);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_WRITE)
        wire->wants_write = true;
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? WIRE_AGAIN : WIRE_BROKEN;
}

int guard_wire_shake(struct guard_wire *wire)
{
    if (wire->ssl == NULL)
        return 1;
    wire->wants_write = false;
    ERR_clear_error();
    int done = SSL_do_handshake(wire->ssl);
    if (done == 1)
        return 1;
    int reason = why(wire, done);
    return reason == 0 ? WIRE_BROKEN : reason;
}

static ssize_t result_of(ssize_t done)
{
    if (done >= 0)
        return done;
    return errno == EAGAIN || errno == EINTR ? WIRE_AGAIN : WIRE_BROKEN;
}

ssize_t guard_wire_read(struct guard_wire *wire, char *to, size_t len)
{
    if (wire->ssl == NULL)
        return result_of(recv(wire->fd, to, len, 0));
    size_t got = 0;
    int last = 1;
    unsigned records = 0;
    wire->wants_write = false;
    ERR_clear_error();
    do { /* a record at a time, and none in part: nothing would tell about the rest */
        last = SSL_read(wire->ssl, to + got, (int)(len - got < INT_MAX ? len - got : INT_MAX));
        if (last <= 0)
            break;
        got += (size_t)last;
    } while (len - got >= WIRE_RECORD_BYTES && ++records < WIRE_RECORDS);
    if (wire->key_updates > WIRE_KEY_UPDATES)
        return WIRE_BROKEN;
    int reason = last <= 0 ? why(wire, last) : WIRE_AGAIN;
    return got > 0 ? (ssize_t)got : reason;
}

bool guard_wire_holds_end(const struct guard_wire *wire)
{
    return wire->ssl != NULL && (SSL_get_shutdown(wire->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

ssize_t guard_wire_write(struct guard_wire *wire, const char *from, size_t len)
{
    if (wire->ssl == NULL)
        return result_of(send(wire->fd, from, len, MSG_NOSIGNAL));
    size_t sent = 0;
    ERR_clear_error();
    while (sent < len) {
        int last =
            SSL_write(wire->ssl, from + sent, (int)(len - sent < INT_MAX ? len - sent : INT_MAX));
        if (last <= 0) {
            bool wanted = wire->wants_write;
            int reason = why(wire, last);
            wire->wants_write = wanted; /* what waits to be written asks for that itself */
            return sent > 0 ? (ssize_t)sent : reason == 0 ? WIRE_BROKEN : reason;
        }
        sent += (size_t)last;
    }
    return (ssize_t)sent;
}

void guard_wire_shut(struct guard_wire *wire)
{
    if (wire->ssl != NULL && SSL_is_init_finished(wire->ssl) == 1) {
        (void)SSL_shutdown(wire->ssl);
        ERR_clear_error();
    }
    (void)shutdown(wire->fd, SHUT_WR);
}

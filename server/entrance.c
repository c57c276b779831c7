#include "server/entrance.h"

#include "server/balancers.h"

#include <sys/socket.h>
#include <unistd.h>

static void refuse(struct entrance *entrance, int fd, const struct peer *peer, enum refusal refusal)
{
    (void)close(fd);
    refusals_add(entrance->refusals, refusal, peer, entrance->tally->open);
}

/* One that was admitted, and whose client is not known. */
static void turn_away(struct entrance *entrance, int fd, const struct peer *sender,
                      enum refusal refusal)
{
    tally_dismiss(entrance->tally);
    refuse(entrance, fd, sender, refusal);
}

static void let_in(struct entrance *entrance, int fd, const struct peer *client)
{
    if (tally_name(entrance->tally, client) == TALLY_FINE)
        entrance->arrived(entrance->context, fd, client);
    else
        refuse(entrance, fd, client, REFUSAL_ADDRESS);
}

/* --- behind load balancers --- */

static void introduce(struct entrance *entrance, int fd, const struct peer *sender, bool waited)
{
    struct peer client = *sender;
    switch (balancers_introduce(entrance->balancers, fd, &client)) {
    case INTRODUCED:
        let_in(entrance, fd, &client);
        break;
    case INTRODUCTION_PART:
        if (waited)
            turn_away(entrance, fd, sender, REFUSAL_PROXY_SILENT);
        else if (!lobby_enter(&entrance->headers, fd, sender))
            turn_away(entrance, fd, sender, REFUSAL_UNDECIDED);
        break;
    case INTRODUCTION_FOREIGN:
        turn_away(entrance, fd, sender, REFUSAL_PROXY_SENDER);
        break;
    case INTRODUCTION_BAD:
        turn_away(entrance, fd, sender, REFUSAL_PROXY_HEADER);
        break;
    }
}

/* A balancer that only looks whether the port is open connects, and leaves without a word. */
static bool has_left_silently(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void on_leave_headers(void *context, int fd, const struct peer *sender, bool decided)
{
    struct entrance *entrance = context;
    if (!entrance->shut && (decided || !has_left_silently(fd))) {
        introduce(entrance, fd, sender, true);
    } else {
        tally_dismiss(entrance->tally);
        (void)close(fd);
    }
    entrance->closed(entrance->context);
}

/* --- the port --- */

static void on_accepted(void *context, int fd, const struct peer *peer)
{
    struct entrance *entrance = context;
    if (!tally_admit(entrance->tally))
        refuse(entrance, fd, peer, REFUSAL_CONNECTIONS);
    else if (balancers_any(entrance->balancers))
        introduce(entrance, fd, peer, false);
    else
        let_in(entrance, fd, peer);
}

static void on_resting(void *context, const char *reason)
{
    struct entrance *entrance = context;
    complaint_make(&entrance->rests, reason, NULL, entrance->tally->open);
}

static void on_acceptor_closed(void *context)
{
    const struct entrance *entrance = context;
    entrance->closed(entrance->context);
}

void entrance_open(struct entrance *entrance, uv_loop_t *loop, int fd)
{
    entrance->acceptor = (struct acceptor){.accepted = on_accepted,
                                           .resting = on_resting,
                                           .closed = on_acceptor_closed,
                                           .context = entrance};
    entrance->headers = (struct lobby){.loop = loop,
                                       .wait_ms = entrance->header_ms,
                                       .look = balancers_look,
                                       .leave = on_leave_headers,
                                       .context = entrance};
    entrance->rests = (struct complaint){.event = "accept_paused"};
    acceptor_open(&entrance->acceptor, loop, fd);
}

void entrance_start(struct entrance *entrance)
{
    acceptor_start(&entrance->acceptor);
}

void entrance_shut(struct entrance *entrance)
{
    acceptor_shut(&entrance->acceptor);
    entrance->shut = true;
    lobby_clear(&entrance->headers);
}

bool entrance_is_closed(const struct entrance *entrance)
{
    return entrance->acceptor.handles == 0 && entrance->headers.count == 0;
}

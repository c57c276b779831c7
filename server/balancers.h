/* Load balancers that tell by the PROXY protocol for whom they connect (PROXY_PROTOCOL).
 *
 * Where any are listed, every connection has to begin with the protocol's header. It is believed
 * from listed addresses alone, and what is not to be believed is not read: others are refused
 * before their first byte. Only this machine itself may always say that it connects for nobody else
 * (LOCAL), which is how weir asks after its own health. The list is constant; nothing blocks.
 * Loop thread only. */
#ifndef WEIR_SERVER_BALANCERS_H
#define WEIR_SERVER_BALANCERS_H

#include "server/proxy_header.h"
#include "shared/policy/cidr.h"

enum introduction {
    INTRODUCED,           /* the header is read, and the next byte is the client's */
    INTRODUCTION_PART,    /* more of the header has to come */
    INTRODUCTION_FOREIGN, /* the sender is not listed */
    INTRODUCTION_BAD      /* what came is no such header */
};

/* Is the protocol spoken at all? */
bool balancers_any(const struct cidr_list *balancers);
/* Reads the header of a connection from *peer, exactly, if it is there as a whole, and puts the
 * client that it names into *peer. */
MUST_USE enum introduction balancers_introduce(const struct cidr_list *balancers, int fd,
                                               struct peer *peer);
/* For a lobby: how many bytes have to have come for the next look to be worth it; 0: enough have.
 */
size_t balancers_look(int fd);

#endif

/* What keeps one caller from taking what belongs to all: client addresses, rates, content rules,
 * blocks, and how much runs at once. One a process, over both protocols.
 *
 * Settings are fixed after limits_new; the mechanisms inside lock for themselves. The functions on
 * requests are called on the request's worker. Nothing here fails. */
#ifndef WEIR_PIPELINE_LIMITS_H
#define WEIR_PIPELINE_LIMITS_H

#include "shared/policy/admission.h"
#include "shared/policy/bucket.h"
#include "shared/policy/client_address.h"
#include "shared/policy/violations.h"
#include "shared/request.h"

struct limits_settings {
    bool rates_on;               /* RATE_LIMIT_ENABLED */
    struct rate anonymous;       /* callers without an identity, by address */
    struct rate authenticated;   /* tokens and certificates, by subject */
    struct rate api_key;         /* keys that have no rate of their own */
    struct rate heavy;           /* costly flows, of any caller, besides the above */
    struct rate burst;           /* refused calls, beyond which each is a violation */
    struct rate block_threshold; /* violations that block */
    uint64_t most_flows;
    size_t most_urls; /* in the text fields of one request */
    size_t most_phones;
    struct client_address_policy client; /* limits_new takes its list over */
    struct cidr_list allowed;            /* empty: everybody; taken over, too */
};

struct limits {
    struct limits_settings settings;
    struct bucket_table *buckets;  /* owned */
    struct violations *violations; /* owned */
    struct admission flows;
};

/* Takes a random key from the kernel. The lists in `settings` are the limits' from here on. */
MUST_USE struct limits *limits_new(const struct limits_settings *settings);
/* Accepts NULL, returns NULL. No request may be left. */
struct limits *limits_free(struct limits *limits);

/* May the client's address use this service at all (IP_ALLOWLIST)? */
bool limits_lets_in(const struct request *request);

/* What a refused credential costs its address, and what one more would. */
struct bucket_ask limits_bad_credential(const struct limits *limits);

/* Settles request->client and request->behind_proxy; before the first step and the access line. */
void limits_find_client(struct request *request);
/* The table's name of who is counted: the authenticated subject within its tenant, else the
 * address (of IPv6 the first 64 bits). */
struct siphash limits_peer(struct request *request);
/* The same of the address alone. */
struct siphash limits_address_peer(const struct request *request);
/* Says in the response what is left (draft-ietf-httpapi-ratelimit-headers-11); once a request. */
void limits_tell(struct request *request, const char *const *policies,
                 const struct bucket_ask *asks, const struct bucket_answer *answers, size_t n);
/* Notes a breach of the content rules by the request's peer. */
void limits_violation(struct request *request, const char *rule);
/* The request ends: gives its place back and counts what the end says about the caller. On every
 * way out, exactly once. */
void limits_settle(struct request *request, const struct verdict *verdict);

#endif

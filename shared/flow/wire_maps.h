/* What protobuf-c leaves to be done after unpacking: it knows no maps and keeps unknown fields.
 * Internal to wire_read. Pure; any thread. */
#ifndef WEIR_FLOW_WIRE_MAPS_H
#define WEIR_FLOW_WIRE_MAPS_H

#include "shared/base/arena.h"
#include "shared/base/must.h"
#include "shared/flow/contract.h"

/* Makes maps of the entries (of those with the same key the last stays, an absent message value
 * becomes the empty message) and drops unknown fields, nested messages included. `message` is in
 * `arena` and not deeper than wire_read allows. False when the arena's budget is used up. */
MUST_USE bool wire_tidy(const struct contract_message *type, ProtobufCMessage *message,
                        struct arena *arena);

#endif

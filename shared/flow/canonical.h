/* The one encoding of a message: equal messages give equal bytes, however they came in.
 *
 * Protobuf, fields in the order of their numbers, nothing that is at its default, maps in the order
 * of their keys (https://protobuf.dev/programming-guides/serialization-not-canonical says what else
 * would differ; unknown fields are dropped by wire_read). Stable within a build and a machine.
 * Pure; any thread. */
#ifndef WEIR_FLOW_CANONICAL_H
#define WEIR_FLOW_CANONICAL_H

#include "shared/base/arena.h"
#include "shared/base/must.h"
#include "shared/flow/contract.h"

/* The bytes, in `arena`. Puts the entries of the message's maps in order, which means nothing to
 * them. The message is not nested deeper than json_read and wire_read allow. */
MUST_USE struct span canonical_write(const struct contract_message *type, ProtobufCMessage *message,
                                     struct arena *arena);

#endif

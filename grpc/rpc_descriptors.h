/* What the build knows of the services: a FileDescriptorSet, to be looked through. Debug builds
 * only.
 *
 * Files go by their index in the set; SIZE_MAX is none. Names are full ones without a leading dot.
 * Whatever is returned lives as long as the descriptors. Fixed once made: any thread may read.
 * Source: google/protobuf/descriptor.proto. */
#ifndef WEIR_GRPC_RPC_DESCRIPTORS_H
#define WEIR_GRPC_RPC_DESCRIPTORS_H

#include "shared/base/must.h"
#include "shared/base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rpc_descriptors;

/* `set` is the build's own, each file behind the files that it imports; it must outlive this. */
MUST_USE struct rpc_descriptors *rpc_descriptors_new(struct span set);
/* Accepts NULL. */
struct rpc_descriptors *rpc_descriptors_free(struct rpc_descriptors *descriptors);

size_t rpc_descriptors_count(const struct rpc_descriptors *descriptors);
/* The file's serialized FileDescriptorProto. */
struct span rpc_descriptors_file(const struct rpc_descriptors *descriptors, size_t file);

size_t rpc_descriptors_by_name(const struct rpc_descriptors *descriptors, const char *name);
/* The file that declares a message, field, oneof, enum, enum value, service, method or extension.
 */
size_t rpc_descriptors_by_symbol(const struct rpc_descriptors *descriptors, const char *symbol);
size_t rpc_descriptors_by_extension(const struct rpc_descriptors *descriptors, const char *message,
                                    int32_t number);

/* Fills in `files`, with room for all, with `file` and behind it all that it imports, once each.
 * Returns how many there are. */
size_t rpc_descriptors_closure(const struct rpc_descriptors *descriptors, size_t file,
                               size_t *files);
/* Numbers of the extensions of a message: fills in up to `most`, returns how many there are. */
size_t rpc_descriptors_extensions(const struct rpc_descriptors *descriptors, const char *message,
                                  int32_t *numbers, size_t most);
/* Names of the services: the same. */
size_t rpc_descriptors_services(const struct rpc_descriptors *descriptors, const char **names,
                                size_t most);

#endif

"""grpcio as the client for gRPC, with messages built at run time."""
import time

import grpc
from google.protobuf import json_format

from messages import full_name, messages
from outcome import Outcome
from waiting import slow


class GrpcCaller:
    protocol = "grpc"

    def __init__(self, weir, channel=None):
        self.weir = weir
        self.channel = channel

    def start(self, rpc, request=None, *, metadata=(), seconds=30, request_id=None):
        """The bare grpcio call object, for tests that cancel or read step by step."""
        path = full_name(rpc)
        method = self.weir.messages.methods[path]
        if not isinstance(request, bytes):
            message = self.weir.messages.type(method.input_type)()
            json_format.ParseDict(request or {}, message)
            request = message.SerializeToString()
        channel = self.channel or self.weir.channel
        metadata = list(metadata)
        if request_id:
            metadata.append(("x-request-id", request_id))
        answer = self.weir.messages.type(method.output_type)
        make = channel.unary_stream if method.server_streaming else channel.unary_unary
        stub = make(path, request_serializer=bytes, response_deserializer=answer.FromString)
        if method.server_streaming:
            return stub(request, timeout=slow(seconds), metadata=metadata)
        return stub.future(request, timeout=slow(seconds), metadata=metadata)

    def __call__(self, rpc, request=None, **how):
        call = self.start(rpc, request, **how)
        chunks, times, answer = [], [], None
        try:
            if self.streams(rpc):
                for piece in call:
                    chunks.append(piece.text)
                    times.append(time.monotonic())
            else:
                answer = call.result()
        except (grpc.RpcError, grpc.FutureCancelledError):
            pass  # the status says it
        outcome = self.outcome(call)
        outcome.chunks, outcome.times = chunks, times
        outcome.late = bool(chunks) and not outcome.ok
        if answer is not None:
            outcome.answer = json_format.MessageToDict(answer, including_default_value_fields=True)
        return outcome

    def streams(self, rpc):
        return self.weir.messages.methods[full_name(rpc)].server_streaming

    @staticmethod
    def outcome(call):
        code = call.code()
        first = {k: v for k, v in call.initial_metadata() or ()}
        last = {k: v for k, v in call.trailing_metadata() or ()}
        outcome = Outcome("grpc", code == grpc.StatusCode.OK, code.name,
                          detail=call.details() or "",
                          request_id=last.get("x-request-id") or first.get("x-request-id", ""))
        details = last.get("grpc-status-details-bin")
        if details:
            outcome.violations, outcome.retry_after = rpc_details(details, code)
        return outcome


def detail_of(name, data):
    """The google.rpc message of that name."""
    return messages("WEIR_CLIENT_PROTOSET").type(name).FromString(data)


def rpc_details(data, code):
    """google.rpc.Status -> violations and the delay of RetryInfo."""
    status = detail_of("google.rpc.Status", data)
    if status.code != code.value[0]:
        raise AssertionError(f"the details say {status.code}, the status {code}")
    violations, retry = {}, None
    for any_ in status.details:
        name = any_.type_url.rsplit("/", 1)[-1]
        detail = detail_of(name, any_.value)
        if name == "google.rpc.BadRequest":
            violations = {v.field: v.description for v in detail.field_violations}
        elif name == "google.rpc.RetryInfo":
            retry = str(detail.retry_delay.seconds)
    return violations, retry

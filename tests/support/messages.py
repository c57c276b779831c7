"""Message classes and methods made at run time from the descriptor sets of the build."""
import os

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
FLOWS = "weir.v1.FlowService"


def full_name(rpc):
    """"TellJoke" -> "/weir.v1.FlowService/TellJoke"; full names stay."""
    return rpc if rpc.startswith("/") else f"/{FLOWS}/{rpc}"


class Messages:
    """The message classes and methods of a descriptor set."""

    def __init__(self, path):
        files = descriptor_pb2.FileDescriptorSet()
        with open(path, "rb") as file:
            files.ParseFromString(file.read())
        self.pool = descriptor_pool.DescriptorPool()
        for proto in files.file:
            self.pool.Add(proto)
        self._factory = message_factory.MessageFactory(self.pool)
        self.methods = {}
        for proto in files.file:
            for service in proto.service:
                for method in service.method:
                    name = ".".join(filter(None, (proto.package, service.name)))
                    self.methods[f"/{name}/{method.name}"] = method

    def type(self, name):
        descriptor = self.pool.FindMessageTypeByName(name.lstrip("."))
        if hasattr(message_factory, "GetMessageClass"):
            return message_factory.GetMessageClass(descriptor)
        return self._factory.GetPrototype(descriptor)

    def route(self, path):
        """The first HTTP route of an rpc: ("POST", "/tell-joke")."""
        options = self.type("google.protobuf.MethodOptions").FromString(
            self.methods[path].options.SerializeToString())
        rule = options.Extensions[self.pool.FindExtensionByName("google.api.http")]
        verb = rule.WhichOneof("pattern")
        return verb.upper(), getattr(rule, verb)


_messages = {}


def messages(variable="WEIR_PROTOSET"):
    if variable not in _messages:
        _messages[variable] = Messages(os.environ[variable])
    return _messages[variable]

"""How a call ended, in one form for both protocols."""
import dataclasses


@dataclasses.dataclass
class Outcome:
    """How a call ended, the same for both protocols."""
    protocol: str
    ok: bool
    code: str                       # "OK", "INVALID_ARGUMENT", ...
    answer: dict | None = None      # unary, JSON names
    chunks: list = dataclasses.field(default_factory=list)   # streams: the pieces
    times: list = dataclasses.field(default_factory=list)    # and when they came
    whole: str | None = None        # streams over REST: what the done event says
    http: int | None = None         # REST; None for gRPC
    detail: str = ""
    violations: dict = dataclasses.field(default_factory=dict)   # path -> message
    request_id: str = ""
    retry_after: str | None = None
    reply: object = None            # REST: the response
    trailers: dict = dataclasses.field(default_factory=dict)  # gRPC-Web, streams of Connect
    late: bool = False              # the error came after the headers of a stream

    @property
    def text(self):
        return "".join(self.chunks)

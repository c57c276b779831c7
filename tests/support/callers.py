"""Calls with headers: over gRPC they are metadata."""


def ask(call, *pairs, rpc="TellJoke", request=None, **how):
    """One call with these headers, (name, value) each."""
    if call.protocol == "rest":
        return call(rpc, request, headers=[f"{n}: {v}" if v else f"{n};" for n, v in pairs], **how)
    return call(rpc, request, metadata=[(n.lower(), v) for n, v in pairs], **how)


def ask_for(call, rpc="TellJoke", request=None, forwarded=None, **how):
    """One call with this X-Forwarded-For, one or several values."""
    values = [forwarded] if isinstance(forwarded, str) else forwarded or ()
    return ask(call, *(("X-Forwarded-For", v) for v in values), rpc=rpc, request=request, **how)


def bearer(token):
    return ("Authorization", f"Bearer {token}")

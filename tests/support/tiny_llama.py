"""Makes a GGUF model of the llama architecture, small enough to be made by every test, that says one
sentence: which token follows which is in its weights.

Each token has a dimension of its own, the layer adds nothing, and row t of the output matrix is what
the tokens before it give t. So the model goes through WORDS and ends; where a grammar forbids that,
it takes what comes first in JSON of what is allowed, which closes every value soon.
"""
import array
import struct

WORDS = ("Arr,", " the", " caf", b"\xc3", b"\xa9", " lies", " due", " \"north\"", ".")
SENTENCE = "Arr, the café lies due \"north\"."
VALUE = "north"       # what the strings of its JSON are
TURN, ANSWER = "<|turn|>", "<|answer|>"
TEMPLATE = ("{% for message in messages %}" + TURN + "{{ message['role'] }}: {{ message['content'] }}"
            "{% endfor %}{% if add_generation_prompt %}" + ANSWER + "{% endif %}")
# From the most wanted to the least; what the sentence says comes before all of it.
JSON = b"}],:\"{[0"
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
LENGTH, HEADS = 4096, 4


def _vocabulary():
    tokens = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL), (TURN, CONTROL),
              (ANSWER, CONTROL)]
    tokens += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    texts = [word for word in WORDS if isinstance(word, str)] + [VALUE]
    tokens += [(text.replace(" ", "\u2581"), NORMAL) for text in texts]
    # A multiple of 32, as the arithmetic of llama.cpp wants it.
    tokens += [(f"<unused{i}>", UNKNOWN) for i in range(-len(tokens) % 32)]
    return tokens


def _follows(index):
    """{(token, the one after it): how much it is wanted}"""
    def of(word):
        return (index[f"<0x{word[0]:02X}>"] if isinstance(word, bytes)
                else index[word.replace(" ", "\u2581")])
    said = [index[ANSWER], *map(of, WORDS), index["</s>"]]
    wanted = {pair: 40.0 for pair in zip(said, said[1:])}
    wanted[of(b'"'), of(VALUE)] = wanted[of(VALUE), of(b'"')] = 40.0
    for before in index.values():
        wanted.setdefault((before, index["</s>"]), 30.0)
        for place, byte in enumerate(JSON):
            wanted.setdefault((before, of(bytes([byte]))), 24.0 - 3 * place)
    return wanted


def _matrix(columns, rows, values):
    cells = array.array("f", bytes(4 * columns * rows))
    for (column, row), value in values.items():
        cells[row * columns + column] = value
    return cells.tobytes()


def _text(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value, signed=False):
    """A value with its type before it, as GGUF writes metadata; the numbers of lists are signed."""
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<Ii", 5 if signed else 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    items = [_value(item, signed=True) for item in value]
    return struct.pack("<I", 9) + items[0][:4] + struct.pack("<Q", len(items)) + b"".join(
        item[4:] for item in items)


def write_model(path):
    tokens = _vocabulary()
    width = len(tokens)
    index = {token: i for i, (token, _) in enumerate(tokens)}
    metadata = {
        "general.architecture": "llama", "general.name": "tiny", "llama.block_count": 1,
        "llama.context_length": LENGTH, "llama.embedding_length": width,
        "llama.feed_forward_length": 32, "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": HEADS, "llama.rope.dimension_count": width // HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.vocab_size": width,
        "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": [token for token, _ in tokens],
        "tokenizer.ggml.scores": [float(-i) for i in range(width)],
        "tokenizer.ggml.token_type": [kind for _, kind in tokens],
        "tokenizer.ggml.unknown_token_id": 0, "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_space_prefix": False, "tokenizer.chat_template": TEMPLATE}
    ones = {(i, 0): 1.0 for i in range(width)}
    # The norm makes a one of `width` dimensions into its square root.
    scale = width ** -0.5
    tensors = {
        "token_embd.weight": (width, width, {(i, i): 1.0 for i in range(width)}),
        "output_norm.weight": (width, 1, ones),
        "output.weight": (width, width,
                          {pair: scale * value for pair, value in _follows(index).items()}),
        "blk.0.attn_norm.weight": (width, 1, ones), "blk.0.ffn_norm.weight": (width, 1, ones),
        **{f"blk.0.attn_{part}.weight": (width, width, {})
           for part in ("q", "k", "v", "output")},
        "blk.0.ffn_gate.weight": (width, 32, {}), "blk.0.ffn_up.weight": (width, 32, {}),
        "blk.0.ffn_down.weight": (32, width, {})}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(_text(name) + _value(value) for name, value in metadata.items())
    data = b""
    for name, (columns, rows, values) in tensors.items():
        sizes = (columns,) if rows == 1 else (columns, rows)
        head += _text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, 0, len(data))
        data += _matrix(columns, rows, values)
    with open(path, "wb") as file:
        file.write(head + b"\0" * (-len(head) % 32) + data)

"""Serves a GGUF model by llama.cpp's own HTTP server: llama_server.py <model> <API key>

Runs in build/tools/python, where the package is. Prints the port once it serves, and serves until it
is ended."""
import sys
import threading

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path, params.api_keys = sys.argv[1], [sys.argv[2]]
params.port, params.n_ctx, params.n_parallel = 0, 8192, 2
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.n_threads_http = 4
params.use_jinja = params.offline = True
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
threading.Event().wait()

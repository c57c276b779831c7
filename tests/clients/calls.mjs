// One flow, unary and streaming, an error with its details and a stream that is left half-way, by
// the official clients; the same in Node and in a browser. Nothing is generated: the messages are
// made from the descriptor set of the build.
import {createFileRegistry, create, fromBinary, toBinary} from "@bufbuild/protobuf";
import {FileDescriptorSetSchema} from "@bufbuild/protobuf/wkt";
import {ConnectError, Code, createClient} from "@connectrpc/connect";
import grpcWeb from "grpc-web";

export function readContract(descriptors) {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors));
  return {registry, service: registry.getService("weir.v1.FlowService")};
}

async function collect(pieces, leave) {
  const found = [];
  for await (const piece of pieces) {
    found.push(piece.text);
    if (leave && found.length === 2) leave();
  }
  return found;
}

// A client of @connectrpc/connect, over either of its protocols.
export async function callByConnect(contract, transport) {
  const client = createClient(contract.service, transport);
  const result = {joke: (await client.tellJoke({name: "Bob"})).joke};
  result.pieces = await collect(client.tellStory({}));
  try {
    await client.tellJoke({name: "x".repeat(300)});
  } catch (error) {
    const [detail] = error.findDetails(contract.registry.getMessage("google.rpc.BadRequest"));
    result.refused = {code: Code[error.code], field: detail.fieldViolations[0].field};
  }
  try {
    await collect(client.tellJokeStream({name: "x".repeat(300)}));
  } catch (error) {
    result.streamRefused = Code[error.code];
  }
  const leaving = new AbortController();
  try {
    await collect(client.tellStory({topic: "leave"}, {signal: leaving.signal}), () => leaving.abort());
  } catch (error) {
    result.left = Code[ConnectError.from(error).code];
  }
  return result;
}

// A client of grpc-web: `format` is "text" or "binary"; it streams in the text form only.
export async function callByGrpcWeb(contract, url, format) {
  const client = new grpcWeb.GrpcWebClientBase({format});
  const rpc = (method, kind) => {
    const path = `/${contract.service.typeName}/${method.name}`;
    return [url + path, new grpcWeb.MethodDescriptor(
      path, kind, Object, Object, (message) => toBinary(method.input, message),
      (bytes) => fromBinary(method.output, bytes))];
  };
  const unary = (method, request) => {
    const [path, descriptor] = rpc(method, grpcWeb.MethodType.UNARY);
    return client.unaryCall(path, create(method.input, request), {}, descriptor);
  };
  const stream = (method, request, leave) => new Promise((resolve, reject) => {
    const [path, descriptor] = rpc(method, grpcWeb.MethodType.SERVER_STREAMING);
    const found = [];
    const call = client.serverStreaming(path, create(method.input, request), {}, descriptor);
    call.on("data", (piece) => {
      found.push(piece.text);
      if (leave && found.length === 2) {
        call.cancel();
        resolve("canceled");
      }
    });
    call.on("error", reject);
    call.on("end", () => resolve(found));
  });
  const {tellJoke, tellStory} = contract.service.method;
  const result = {joke: (await unary(tellJoke, {name: "Bob"})).joke};
  try {
    await unary(tellJoke, {name: "x".repeat(300)});
  } catch (error) {
    // The details are a google.rpc.Status, which this client hands on as it came.
    const details = atob(error.metadata["grpc-status-details-bin"]);
    result.refused = {
      code: error.code === grpcWeb.StatusCode.INVALID_ARGUMENT ? "InvalidArgument" : error.code,
      field: /google\.rpc\.BadRequest[^]*\n\x04(name)\x12/.exec(details)?.[1]};
  }
  if (format === "text") {
    result.pieces = await stream(tellStory, {});
    result.left = await stream(tellStory, {topic: "leave"}, true);
  }
  return result;
}

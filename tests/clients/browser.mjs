// The page's script: calls by all clients, then hands what came to the page's own server.
import {createConnectTransport, createGrpcWebTransport} from "@connectrpc/connect-web";
import {callByConnect, callByGrpcWeb, readContract} from "./calls.mjs";

async function callAll() {
  const baseUrl = new URLSearchParams(location.search).get("weir");
  const descriptors = new Uint8Array(await (await fetch("/descriptors")).arrayBuffer());
  const contract = readContract(descriptors);
  const results = {};
  for (const useBinaryFormat of [false, true])
    results[`connect-web connect ${useBinaryFormat ? "proto" : "json"}`] =
      await callByConnect(contract, createConnectTransport({baseUrl, useBinaryFormat}));
  results["connect-web grpc-web"] =
    await callByConnect(contract, createGrpcWebTransport({baseUrl}));
  for (const format of ["text", "binary"])
    results[`grpc-web ${format}`] = await callByGrpcWeb(contract, baseUrl, format);
  return results;
}

const results = await callAll().catch((error) => ({failed: `${error} ${error.stack}`}));
await fetch("/results", {method: "POST", body: JSON.stringify(results)});

// node.mjs <url> <descriptor set>: calls by all clients, prints what came as JSON.
import {readFileSync} from "node:fs";
import * as forNode from "@connectrpc/connect-node";
import * as forWeb from "@connectrpc/connect-web";
import {XMLHttpRequest} from "xhr2";
import {callByConnect, callByGrpcWeb, readContract} from "./calls.mjs";

globalThis.XMLHttpRequest = XMLHttpRequest; // grpc-web is made for browsers
const [url, descriptors] = process.argv.slice(2);
const contract = readContract(readFileSync(descriptors));
const results = {};
for (const useBinaryFormat of [false, true]) {
  const form = useBinaryFormat ? "proto" : "json";
  results[`connect-node connect ${form}`] = await callByConnect(contract,
    forNode.createConnectTransport({baseUrl: url, httpVersion: "1.1", useBinaryFormat}));
  results[`connect-web connect ${form}`] = await callByConnect(contract,
    forWeb.createConnectTransport({baseUrl: url, useBinaryFormat}));
}
results["connect-node grpc-web"] = await callByConnect(contract,
  forNode.createGrpcWebTransport({baseUrl: url, httpVersion: "1.1"}));
results["connect-web grpc-web"] = await callByConnect(contract,
  forWeb.createGrpcWebTransport({baseUrl: url}));
for (const format of ["text", "binary"])
  results[`grpc-web ${format}`] = await callByGrpcWeb(contract, url, format);
console.log(JSON.stringify(results));
process.exit(0); // streams that were left may hold a connection open

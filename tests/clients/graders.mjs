// What graders of HTTP headers say: Mozilla's HTTP Observatory (the score that developer.mozilla.org shows)
// and Google's CSP Evaluator. Standard input has responses as JSON, [{name, status, headers, body}], as
// https pages; standard output has for each {name, grade, score, failed, findings}.
//   node graders.mjs <folder of node_modules>
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {join} from "node:path";
import {pathToFileURL} from "node:url";

const packages = process.argv[2];
const load = (path) => import(pathToFileURL(join(packages, path)));
const source = (path) => load(join("@mdn/mdn-http-observatory/src", path));
const {AxiosHeaders} = await load("axios/index.js");
const {ALL_TESTS, NUM_TESTS} = await source("constants.js");
const {MINIMUM_SCORE_FOR_EXTRA_CREDIT} = await source("grader/charts.js");
const {getGradeForScore, getScoreModifier} = await source("grader/grader.js");
const {Requests} = await source("types.js");
const require = createRequire(join(packages, "/"));
const {CspEvaluator} = require("csp_evaluator/dist/evaluator.js");
const {CspParser} = require("csp_evaluator/dist/parser.js");
const {Version} = require("csp_evaluator/dist/csp.js");
const {Severity, Type} = require("csp_evaluator/dist/finding.js");

/** Its scanner wants a public host name; this is its scoring, on a response that is at hand. */
function observatory({status, headers: plainly, body}) {
  const headers = new AxiosHeaders(plainly);
  const response = {status, headers, verified: true, httpEquiv: new Map(), request: {headers: {}}};
  const seen = new Requests("weir.invalid");
  seen.responses.auto = seen.responses.https = seen.responses.cors = response;
  seen.responses.http = null;
  seen.resources.path = body;
  const cookies = plainly["set-cookie"] ? [{key: "any", secure: false, httpOnly: false}] : [];
  seen.session = {url: new URL("https://weir.invalid/"), jar: {serializeSync: () => ({cookies})}};
  const results = ALL_TESTS.map((test) => test(seen));
  const modifiers = results.map(({result}) => getScoreModifier(result));
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 100);
  const plain = sum(modifiers.filter((each) => each < 0));
  const score = plain >= MINIMUM_SCORE_FOR_EXTRA_CREDIT ? sum(modifiers) : plain;
  if (results.length !== NUM_TESTS) throw new Error("a test is missing");
  return {...getGradeForScore(score),
    failed: results.filter(({pass}) => !pass).map(({result}) => result)};
}

function evaluator(policy) {
  const findings = new CspEvaluator(new CspParser(policy).csp, Version.CSP3).evaluate();
  return findings.map(({type, severity, directive}) =>
    `${Severity[severity]} ${Type[type]} ${directive}`);
}

const responses = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(responses.map((each) => ({
  name: each.name, ...observatory(each),
  findings: evaluator(each.headers["content-security-policy"] ?? "")}))));

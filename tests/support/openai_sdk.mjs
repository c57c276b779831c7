// What the official OpenAI SDK makes of a server: node openai_sdk.mjs <folder of node_modules>
// <base URL> <API key> <case>; prints one JSON object. OPENAI_OPTIONS: more of the client's options.
import { createRequire } from 'node:module';

const [, , tools, baseURL, apiKey, name] = process.argv;
const OpenAI = createRequire(`${tools}/`)('openai');
const more = JSON.parse(process.env.OPENAI_OPTIONS ?? '{}');
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, ...more });
const messages = [{ role: 'user', content: 'Say hello.' }];
const ask = { model: 'gpt-test', messages };

const failure = (error) => ({
  failed: error.constructor.name, status: error.status ?? null, code: error.code ?? null,
  param: error.param ?? null, type: error.type ?? null, message: error.message,
  request_id: error.requestID ?? null,
});
const create = (body, options) => client.chat.completions.create(body, options);

async function pieces(stream, each = () => {}) {
  const seen = { text: '', chunks: 0, usage: null, finish: null };
  for await (const chunk of stream) {
    seen.chunks += 1;
    seen.text += chunk.choices[0]?.delta?.content ?? '';
    seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
    seen.usage = chunk.usage ?? seen.usage;
    each(seen);
  }
  return seen;
}

const cases = {
  async unary() {
    const answer = await create({ ...ask, temperature: 0.3, max_completion_tokens: 50 });
    return { text: answer.choices[0].message.content, finish: answer.choices[0].finish_reason,
      usage: answer.usage, model: answer.model, object: answer.object, id: answer.id,
      request_id: answer._request_id };
  },
  async stream() {
    return pieces(await create({ ...ask, stream: true, stream_options: { include_usage: true } }));
  },
  async runner() {
    const runner = client.chat.completions.stream(ask);
    return { text: await runner.finalContent(), chunks: runner.messages.length };
  },
  async parsed() {
    const schema = { type: 'object', properties: { city: { type: 'string' } },
      required: ['city'], additionalProperties: false };
    const answer = await create({ ...ask, response_format: { type: 'json_schema',
      json_schema: { name: 'place', strict: true, schema } } });
    return { keys: Object.keys(JSON.parse(answer.choices[0].message.content)) };
  },
  async unknown_model() {
    return create({ ...ask, model: 'gpt-none' });
  },
  async unsupported() {
    return create({ ...ask, n: 2 });
  },
  async models() {
    const page = await client.models.list();
    const all = [];
    for await (const model of page) all.push(model);
    const one = await client.models.retrieve(all[1].id);
    return { ids: all.map((model) => model.id), object: all[0].object, one: one.id,
      created: typeof one.created, owner: one.owned_by };
  },
  async no_such_model() {
    return client.models.retrieve('gpt-none');
  },
  async not_here() {
    return client.embeddings.create({ model: 'gpt-test', input: 'x' });
  },
  async tools() {
    return create({ ...ask, tools: [{ type: 'function',
      function: { name: 'weather', parameters: { type: 'object', properties: {} } } }] });
  },
  async too_hot() {
    return create({ ...ask, temperature: 3 });
  },
  async too_large() {
    return create({ ...ask, messages: [{ role: 'user', content: 'x'.repeat(1 << 20) }] });
  },
  async limited() {
    let answer;
    for (let i = 0; i < 3; i += 1) answer = await client.models.list();
    return answer;
  },
  async plain() {
    const answer = await create(ask);
    return { text: answer.choices[0].message.content };
  },
  async failing_stream() {
    return pieces(await create({ ...ask, stream: true }));
  },
  async abort_unary() {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 1500); // the model has been asked by then
    return create(ask, { signal: controller.signal });
  },
  async abort_stream() {
    const stream = await create({ ...ask, stream: true });
    return pieces(stream, (seen) => {
      if (seen.text !== '')
        stream.controller.abort();
    });
  },
  async timeout() {
    return create(ask, { timeout: 1500 });
  },
};

try {
  console.log(JSON.stringify(await cases[name]()));
} catch (error) {
  console.log(JSON.stringify(failure(error)));
}

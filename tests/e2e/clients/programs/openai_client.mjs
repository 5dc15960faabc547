// OpenAI's client for Node against Leeway: chats, streams, tools, responses.
import assert from "node:assert/strict";
import OpenAI from "openai";

const { LEEWAY_MODEL: model, LEEWAY_TEXT: text } = process.env;
const messages = [{ role: "user", content: "What does Leeway pass?" }];
const tools = [
  {
    type: "function",
    function: {
      name: "weather",
      parameters: { type: "object", properties: { city: { type: "string" } } },
    },
  },
];
const client = new OpenAI();

const answer = await client.chat.completions.create({ model, messages });
assert.equal(answer.choices[0].message.content, text);
assert.equal(answer.usage.total_tokens, 26);

let said = "";
for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
  said += chunk.choices[0].delta.content ?? "";
}
assert.equal(said, text);

const called = await client.chat.completions.stream({ model, messages, tools }).finalChatCompletion();
const [call] = called.choices[0].message.tool_calls;
assert.deepEqual(JSON.parse(call.function.arguments), { city: "Zürich" });

const response = await client.responses.create({ model, input: "What does Leeway pass?" });
assert.equal(response.output_text, text);
const final = await client.responses.stream({ model, input: "What does Leeway pass?" }).finalResponse();
assert.equal(final.output_text, text);

await assert.rejects(
  client.chat.completions.create({ model: "no-such-model", messages }),
  (error) => error.status === 404 && error.code === "model_not_found" && error.requestID.length > 0,
);
console.log("ok");

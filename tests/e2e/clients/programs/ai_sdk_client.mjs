// The Vercel AI SDK against Leeway, by OpenAI's chats and responses and by Anthropic's messages.
import assert from "node:assert/strict";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const { LEEWAY_MODEL: name, LEEWAY_TEXT: text } = process.env;
const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL });
const anthropic = createAnthropic({ baseURL: `${process.env.ANTHROPIC_BASE_URL}/v1` });
const prompt = "What does Leeway pass?";
const city = z.object({ city: z.string() });

for (const model of [openai.chat(name), openai.responses(name), anthropic(name)]) {
  const answer = await generateText({ model, prompt });
  assert.equal(answer.text, text);

  let said = "";
  for await (const piece of streamText({ model, prompt }).textStream) said += piece;
  assert.equal(said, text);

  const asked = [];
  const weather = tool({
    description: "The weather of a city.",
    inputSchema: city,
    execute: async (input) => {
      asked.push(input.city);
      return "sunny";
    },
  });
  const helped = await generateText({ model, prompt, tools: { weather }, stopWhen: stepCountIs(2) });
  assert.deepEqual([helped.text, asked], [text, ["Zürich"]]);
  console.log("ok", model.provider);
}

const typed = await generateText({
  model: openai.chat(name),
  prompt,
  output: Output.object({ schema: city }),
});
assert.deepEqual(typed.output, { city: "Zürich" });
console.log("ok typed");

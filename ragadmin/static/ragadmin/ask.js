/* One question on its way: the events of its answer, or an AskError that says what went wrong. */

import { readEvents } from "./event_stream.js";

const LOST = "The connection ended before the answer was complete.";
const AWAY = "The server could not be reached. Check the connection and ask again.";

/* `retryAfter`: seconds, where the server says when it makes sense to ask again. */
export class AskError extends Error {
  constructor(message, { code = "", answerId = "", retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { code, answerId, retryAfter });
  }
}

export function postJson(url, csrf, body, { signal, headers = {} } = {}) {
  return fetch(url, {
    method: "POST",
    signal,
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrf, ...headers },
    body: JSON.stringify(body),
  });
}

export async function refusal(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  try {
    const { code, message } = (await response.json()).error;
    return new AskError(message, { code, retryAfter });
  } catch {
    return new AskError(`The server answered with an error (${response.status}). Try again in a moment.`, { retryAfter });
  }
}

/* What a fetch throws is a TypeError, whatever broke. */
export function understand(error, message = AWAY) {
  return error instanceof TypeError ? new AskError(message) : error;
}

export async function* ask(url, csrf, body, options) {
  let response;
  try {
    response = await postJson(url, csrf, body, options);
  } catch (error) {
    throw understand(error);
  }
  if (!response.ok) throw await refusal(response);
  try {
    for await (const { name, data } of readEvents(response.body)) {
      if (name === "error") throw new AskError(data.error.message, { code: data.error.code, answerId: data.error.extra?.answer_id });
      yield { name, data };
      if (name === "done") return;
    }
  } catch (error) {
    throw understand(error, LOST);
  }
  throw new AskError(LOST);
}

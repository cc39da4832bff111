// The server's API as functions. Every refusal arrives as a `Refusal` that holds the server's problems.

export class Refusal extends Error {
  /** @param {{message: string, remedy: string, field: ?string, line: ?number}[]} problems */
  constructor(problems) {
    super(problems.map((problem) => problem.message).join(" "));
    this.problems = problems;
  }
}

const UNREACHABLE = { message: "The server does not answer.", remedy: "See whether it still runs; this page goes on by itself." };

/** Ask `path` below /api; `body` is sent as JSON, a form as it is; `signal` ends it early. Returns the response, or throws a `Refusal`. */
export async function request(path, { method = "GET", body, signal } = {}) {
  const options = { method, signal, headers: { accept: "application/json" } };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(`api/${path}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal([UNREACHABLE]);
  }
  if (!response.ok) throw new Refusal(await problemsOf(response));
  return response;
}

async function problemsOf(response) {
  const unknown = [{ message: `The server answered ${response.status}.`, remedy: "Reload the page." }];
  try {
    return (await response.json()).problems ?? unknown;
  } catch {
    return unknown;
  }
}

/** The JSON at `path`. */
export const get = async (path, options) => (await request(path, options)).json();

/** POST to `path`; returns its JSON. */
export const post = async (path, body) => (await request(path, { method: "POST", body })).json();

/** DELETE `path`. */
export const remove = (path) => request(path, { method: "DELETE" });

/** Server-sent events of a POST: calls `onEvent(name, data)` for each until the stream ends. */
export async function stream(path, body, signal, onEvent) {
  const response = await request(path, { method: "POST", body, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const name = /^event: (.*)$/m.exec(block)?.[1] ?? "message";
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data) onEvent(name, JSON.parse(data));
    }
  }
}

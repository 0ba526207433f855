// The form to try requests: Swagger UI for openapi.json. Answers are shown as they were sent: an id has more digits than a JavaScript
// number can hold, so ids are never parsed as numbers.

/** Formats JSON with one value per line, without changing the values. */
function indented(json) {
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  return json.replace(/"(?:[^"\\]|\\.)*"|\[\s*\]|\{\s*\}|[[\]{},:]|\s+/g, (token) => {
    if (token === "{" || token === "[") depth += 1;
    if (token === "}" || token === "]") depth -= 1;
    if (token === "{" || token === "[") return token + line();
    if (token === "}" || token === "]") return line() + token;
    if (token === ",") return token + line();
    if (token === ":") return ": ";
    return token.trim();
  });
}

const isJson = (contentType) => /^application\/(?:[\w.-]+\+)?json\b/.test(contentType ?? "");

/** Swagger UI re-serializes JSON that it has parsed, but shows other text unchanged. */
const asSent = (Body, { React }) => (props) => React.createElement(Body, isJson(props.contentType)
  ? { ...props, content: indented(props.content), contentType: "text/plain" }
  : props);

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const place = document.querySelector("#swagger-ui");
SwaggerUIBundle({
  url: new URL(place.dataset.document, document.baseURI).href,
  domNode: place,
  deepLinking: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  plugins: [() => ({ wrapComponents: { responseBody: asSent } })],
});

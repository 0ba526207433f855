// The buttons that copy a request.

/** Copies a text. Without TLS, browsers offer no clipboard API: the text is then selected and copied by a command. */
async function copy(code) {
  if (navigator.clipboard) return navigator.clipboard.writeText(code.textContent);
  getSelection().selectAllChildren(code);
  document.execCommand("copy");
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await copy(document.getElementById(button.dataset.copy));
    button.textContent = "Copied";
    document.getElementById("copied").textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}

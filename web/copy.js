// The buttons that copy a request.

/** Pages without TLS have no clipboard to write to: there the text is selected and copied as by hand. */
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

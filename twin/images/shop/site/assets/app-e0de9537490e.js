// The shop's page: orders, the state of the live connection, and the version that answers.

const of = (id) => document.getElementById(id);

async function ask(path, options) {
  const answer = await fetch(path, options);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw new Error(typeof body.detail === "string" ? body.detail : `The shop answers ${answer.status}.`);
  }
  return body;
}

function row(cells) {
  const line = document.createElement("tr");
  for (const text of cells) line.insertCell().textContent = text;
  return line;
}

async function showOrders() {
  try {
    const orders = await ask("/api/orders");
    const rows = orders.map((o) => row([o.id, o.item, o.quantity, o.confirmed ? "confirmed" : "received"]));
    of("rows").replaceChildren(...(rows.length ? rows : [row(["", "No orders yet.", "", ""])]));
  } catch (error) {
    of("rows").replaceChildren(row(["", error.message, "", ""]));
  }
}

async function placeOrder(event) {
  event.preventDefault();
  const form = event.target;
  const wish = Object.fromEntries(new FormData(form));
  wish.quantity = Number(wish.quantity);
  try {
    const headers = { "Content-Type": "application/json" };
    const order = await ask("/api/orders", { method: "POST", headers, body: JSON.stringify(wish) });
    of("said").textContent = `Order ${order.id} is received. Thank you!`;
    form.elements.item.value = "";
  } catch (error) {
    of("said").textContent = error.message;
  }
  await showOrders();
}

function live(on, text) {
  of("dot").classList.toggle("on", on);
  if (of("live").textContent !== text) of("live").textContent = text;
}

// A new version closes the connection of the old one: come back, a little later each time.
function connect(tries = 0) {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
  socket.addEventListener("open", () => {
    tries = 0;
    live(true, "live");
  });
  socket.addEventListener("message", (event) => {
    const said = JSON.parse(event.data);
    if (said.version) of("version").textContent = said.version;
  });
  const beat = setInterval(() => socket.readyState === 1 && socket.send('{"ping":1}'), 20000);
  socket.addEventListener("close", () => {
    clearInterval(beat);
    live(false, "connecting again");
    setTimeout(() => connect(tries + 1), Math.min(30000, 500 * 2 ** tries));
  });
}

of("form").addEventListener("submit", placeOrder);
ask("/api/version").then((about) => (of("version").textContent = about.version)).catch(() => {});
showOrders();
setInterval(showOrders, 5000);
connect();

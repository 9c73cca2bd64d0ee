// A shop that serves. /pay fails as an app does that was written in a hurry, /check rejects a promise that nobody handles.
const http = require('node:http');

const orders = { 1: { amount: 12 } };

function pay(id) {
  console.log(`paying order ${id}`);
  console.error(`charging with API_KEY=${process.env.CANARY}`);
  return orders[id].price.toFixed(2);
}

http
  .createServer((request, response) => {
    if (request.url === '/pay') setImmediate(() => pay(1));
    if (request.url === '/check') Promise.reject(new Error('the order is not paid'));
    response.end('ok');
  })
  .listen(process.env.PORT, '127.0.0.1', () => console.log('open'));

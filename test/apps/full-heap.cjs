// A service whose heap grows, slowly enough to be seen, until V8 has no more; `/report` writes a report of its own, in the way that
// Node documents, and says where.
const http = require('node:http');

const held = [];
let growing;

http
  .createServer((request, response) => {
    if (request.url === '/grow') growing ??= setInterval(grow, 100);
    if (request.url === '/rest') growing = void clearInterval(growing);
    if (request.url === '/free') held.length = 0;
    if (request.url === '/report') {
      response.end(process.report.writeReport());
      return;
    }
    if (request.url === '/settings') {
      const { directory, reportOnFatalError } = process.report;
      response.end(JSON.stringify({ directory, reportOnFatalError }));
      return;
    }
    response.end(`pid ${process.pid}`);
  })
  .listen(Number(process.env.PORT), () => process.send?.('ready'));

function grow() {
  held.push(Array.from({ length: 15_000 }, (_, i) => ({ i, text: `entry ${i} of ${held.length}` })));
}

// V8's snapshot ends early, without an error: what a full disk can look like from inside.
const v8 = require('node:v8');
const { truncateSync, statSync } = require('node:fs');

const write = v8.writeHeapSnapshot;
v8.writeHeapSnapshot = (file) => {
  const written = write(file);
  truncateSync(file, statSync(file).size - 1000);
  return written;
};
require('node:http')
  .createServer((_request, response) => response.end('well'))
  .listen(0, '127.0.0.1');

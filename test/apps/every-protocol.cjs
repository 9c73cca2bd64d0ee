// One plain app, with no signal handling of its own, that speaks everything: HTTP, HTTPS, HTTP/2 with TLS and without,
// server-sent events and WebSockets. PORTS is a JSON object; CERT and KEY are files; ACKED is a file with one line for
// every WebSocket message that was processed.
const { readFileSync } = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const https = require('node:https');
const { acceptWebSockets, answer } = require('./every-answer.cjs');

const ports = JSON.parse(process.env.PORTS);
const tls = { key: readFileSync(process.env.KEY), cert: readFileSync(process.env.CERT) };

const plain = http.createServer(answer);
acceptWebSockets(plain);
plain.listen(ports.http);
https.createServer(tls, answer).listen(ports.https);
http2.createSecureServer(tls, answer).listen(ports.http2);
http2.createServer(answer).listen(ports.h2c);

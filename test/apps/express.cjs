// An Express 5 service with no signal handling of its own, as most are written.
const express = require('../workspace/node_modules/express');

const app = express();
app.get('/', (_req, res) => res.json({ pid: process.pid }));
app.get('/slow', (req, res) => setTimeout(() => res.json({ pid: process.pid }), Number(req.query.ms ?? 1000)));
app.listen(process.env.PORT);

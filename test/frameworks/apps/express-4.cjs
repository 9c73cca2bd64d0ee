// Express 4, as its documentation starts one.
const express = require('express-4');

const app = express();
app.get('/', (_request, response) => {
  setTimeout(() => response.json({ pid: process.pid }), 5);
});
app.listen(process.env.PORT);

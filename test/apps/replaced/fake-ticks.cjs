// Every clock and queue stands still, `process.nextTick` too, by which Node delivers the messages of a process's parent.
const timers = require('../../replaced/node_modules/@sinonjs/fake-timers');
require('./serve.cjs').serve();
timers.install();

const timers = require('../../replaced/node_modules/@sinonjs/fake-timers');
const { serve } = require('./serve.cjs');
// Everything but what Node's own messages need.
timers.install({ toNotFake: ['nextTick'] });
serve();

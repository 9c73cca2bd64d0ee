// Tells its parent what its listener to messages has got. It listens when the agent is there already, as MODE says.
const got = [];
const told = [];

function listener(message) {
  if (message === 'what?') process.send({ type: 'got', data: { got, told, own: Object.hasOwn(process, 'emit') } });
  else got.push(message);
}

const MODES = {
  plain: () => process.on('message', listener),
  wrapped() {
    process.on('message', listener);
    const { emit } = process;
    process.emit = function (...args) {
      told.push(args[0]);
      return emit.apply(this, args);
    };
  },
  // As tx2 does.
  library: () => process.on('message', (action_name) => listener(action_name)),
};

setTimeout(() => {
  MODES[process.env.MODE]();
  process.send({ type: 'listens', data: true });
}, 300);

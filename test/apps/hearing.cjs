// Tells its parent what its listener to messages has got. It listens when the agent is there already, as MODE says.
const got = [];
const told = [];

function listener(message) {
  if (message === 'what?') process.send({ type: 'got', data: { got, told } });
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
  library() {
    process.on('message', listener);
    // As tx2 does.
    process.on('message', (action_name) => told.push(action_name));
  },
};

setTimeout(() => {
  MODES[process.env.MODE]();
  process.send({ type: 'listens', data: true });
}, 300);

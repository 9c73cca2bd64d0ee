// tx2 has no types of its own; these are those that the module uses (https://github.com/pm2/tx2/blob/master/API.md).
declare module 'tx2' {
  const tx2: {
    /** A handler with two arguments gets the trigger's parameters: a string, or {} if there are none. */
    action(name: string, handler: (param: unknown, reply: (data: object) => void) => void): void;
    metric(options: { name: string; value: () => number | string }): void;
  };
  export default tx2;
}

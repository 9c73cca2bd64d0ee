// Has put functions of its own in the place of what is replaced most often, and hears who calls them.
const { EventEmitter } = require('node:events');
const { listenIn, serve } = require('./serve.cjs');

const objects = { Object, JSON, Reflect, Array, Number, Math, Date, Symbol, Buffer, Promise };
for (const [label, object] of Object.entries(objects)) {
  for (const name of Object.getOwnPropertyNames(object)) {
    if (typeof object[name] !== 'function' || name === 'prototype') continue;
    if (object === Object && name === 'defineProperty') continue;
    listenIn(object, name, `${label}.${name}`);
  }
}
const prototypes = { EventEmitter, Promise, Array, Map, Set, RegExp, Function, String };
for (const [label, { prototype }] of Object.entries(prototypes)) {
  for (const name of Object.getOwnPropertyNames(prototype)) {
    if (name === 'constructor' || typeof Object.getOwnPropertyDescriptor(prototype, name).value !== 'function')
      continue;
    listenIn(prototype, name, `${label}#${name}`);
  }
}
for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'queueMicrotask'])
  for (const object of [globalThis, require('node:timers')]) listenIn(object, name, name);
for (const name of ['emit', 'on', 'once', 'listeners', 'nextTick', 'hrtime', 'removeListener', 'prependListener'])
  listenIn(process, name, `process.${name}`);
listenIn(globalThis, 'Promise');
listenIn(performance, 'now');
// Enumerable, as some still do it, and what refuses to be set.
Object.prototype.inherited = () => {};
Array.prototype.last = () => {};
for (const name of ['kind', 'action', 'pid', 'file', 'nonce', 'ok'])
  Object.defineProperty(Object.prototype, name, {
    configurable: true,
    set() {
      throw new Error(`an object inherits ${name}`);
    },
  });
serve();

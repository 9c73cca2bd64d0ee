// The drain: nothing that a client sent is lost, nothing is written that is not ours to write, and the figures are true.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const REQUESTS = 'test/lifecycle/drain/requests.test.ts';
const KEEP_ALIVE = 'test/lifecycle/drain/keepAlive.test.ts';
const PROTOCOLS = 'test/lifecycle/drain/protocols.test.ts';
const LONG_LIVED = 'test/lifecycle/drain/longLived.test.ts';
const LISTENING = 'test/lifecycle/drain/listening.test.ts';
const LEAVES_NOTHING = 'test/lifecycle/drain/leavesNothing.test.ts';
const CLUSTER = 'test/lifecycle/drain/cluster.test.ts';
const SHARED = 'test/lifecycle/drain/shared.test.ts';
const DRAINED = 'test/module/agent/heapdumpDrained.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: 'the first of several pipelined responses ends the connection and cuts off the others',
    file: 'lifecycle/drain/keepAlive.ts',
    find: 'if (newest !== undefined && newest !== request) return false;',
    replace: '',
    tests: [REQUESTS],
  },
  {
    harm: 'pipelined requests of one packet that the app answers at once are cut off after the first',
    file: 'lifecycle/drain/keepAlive.ts',
    find: 'return !followed.has(request);',
    replace: 'return true;',
    tests: [REQUESTS],
  },
  {
    harm: 'an app that sets Connection: keep-alive itself keeps its clients on a connection that ends',
    file: 'lifecycle/drain/keepAlive.ts',
    find: "return headers.length % 2 === 0 ? [...flat, 'Connection', 'close'] : headers;",
    replace: 'return headers;',
    tests: [REQUESTS],
  },
  {
    harm: 'a connection with half a request on it is ended as idle',
    file: 'lifecycle/drain/connections.ts',
    find: "return activity.is === 'idle' && activity.started && socket.bytesRead > 0;",
    replace: 'return false;',
    tests: [REQUESTS],
  },
  {
    harm: 'a client whose connection ends sees a reset and not an end',
    file: 'lifecycle/drain/farewell.ts',
    find: 'if (lastWords === undefined) socket.end();',
    replace: 'if (lastWords === undefined) socket.resetAndDestroy();',
    tests: [REQUESTS],
  },
  {
    harm: 'a request that arrives after the last response is handed to the app, which cannot answer it',
    file: 'lifecycle/drain/farewell.ts',
    find: "for (const reader of readers) socket.removeListener('data', reader as () => void);",
    replace: '',
    tests: [REQUESTS],
  },
  {
    harm: 'a client whose request does not fit into the budget is told nothing',
    file: 'lifecycle/drain/drain.ts',
    find: '        answerUnavailable(socket);\n',
    replace: '',
    tests: [REQUESTS],
  },
  {
    harm: 'a request that was cut is not counted',
    file: 'lifecycle/drain/drain.ts',
    find: '          if (inFlightOn(connection) > 0) {\n            this.#result.cut++;',
    replace: '          if (inFlightOn(connection) > 0) {',
    tests: [REQUESTS, PROTOCOLS],
  },
  {
    harm: 'finished requests are not counted',
    file: 'lifecycle/drain/drain.ts',
    find: 'this.#result.finished++;\n        },',
    replace: 'this.#result.finished += 2;\n        },',
    tests: [REQUESTS],
  },
  {
    harm: 'a second drain with less time waits for all of the first one’s',
    file: 'lifecycle/drain/drain.ts',
    find: 'const endsInMs = Math.min(this.leftMs, budgetMs);',
    replace: 'const endsInMs = this.leftMs;',
    tests: [REQUESTS],
  },
  {
    harm: 'a request is lost that an HTTP/2 client sent before it read the GOAWAY',
    file: 'lifecycle/drain/farewell.ts',
    find: 'session.goaway(0, EVERY_STREAM);',
    replace: 'session.goaway(0, 0);',
    tests: [PROTOCOLS],
  },
  {
    harm: 'a WebSocket is closed as if its server had gone for good',
    file: 'lifecycle/drain/farewell.ts',
    find: 'const SERVICE_RESTART = 1012;',
    replace: 'const SERVICE_RESTART = 1001;',
    tests: [LONG_LIVED],
  },
  {
    harm: 'a drained process exits, because nothing keeps it alive any more',
    file: 'lifecycle/drain/listening.ts',
    find: 'if (referenced) this.ref();',
    replace: '',
    tests: [LISTENING],
  },
  {
    harm: 'the app hears a second `listening` event when its server is resumed',
    file: 'lifecycle/drain/listening.ts',
    find: 'settle(undefined);\n      return true;',
    replace: 'settle(undefined);',
    tests: [LISTENING],
  },
  {
    harm: 'a unix socket comes back with another mode, and its clients may not connect',
    file: 'lifecycle/drain/listening.ts',
    find: 'if (mode !== undefined && fileMode(path) !== mode)',
    replace: 'if (mode === undefined)',
    tests: [LISTENING],
  },
  {
    harm: 'a server on port 0 in a cluster comes back on another port than its siblings',
    file: 'lifecycle/drain/listening.ts',
    find: 'if (mustBePort !== undefined && port !== mustBePort) {',
    replace: 'if (mustBePort === -1) {',
    tests: [CLUSTER, LISTENING],
  },
  {
    harm: 'a connection that the primary hands over to a worker which leaves is lost',
    file: 'lifecycle/drain/handover.ts',
    find: "const question = { cmd: 'NODE_CLUSTER', act: 'exitedAfterDisconnect', seq: QUESTION };",
    replace: "const question = { cmd: 'NODE_CLUSTER', act: 'none', seq: QUESTION };\n    onGone();",
    tests: [CLUSTER],
  },
  {
    harm: 'servers of a cluster worker are not found, and go on taking connections',
    file: 'lifecycle/drain/clusterHandles.ts',
    find: 'if (isServer(owner)) servers.push(owner);',
    replace: '',
    tests: [LISTENING],
  },
  {
    harm: 'an exception in a subscriber of ours ends the app',
    file: 'lifecycle/drain/guard.ts',
    find: '      fn(...args);\n    } catch {',
    replace: '      fn(...args);\n    } catch (error) {\n      if (error) throw error;',
    tests: [LEAVES_NOTHING],
  },
  {
    harm: 'an engine that was disposed leaves its patch in the app’s responses',
    file: 'lifecycle/drain/keepAlive.ts',
    find: 'for (const undo of this.#undo.splice(0)) undo();',
    replace: '',
    tests: [KEEP_ALIVE, LEAVES_NOTHING],
  },
  {
    harm: 'a process on its way out listens again',
    file: 'lifecycle/drain/engine.ts',
    find: "if (this.#leaving) return Promise.reject(new Error('this process is on its way out'));",
    replace: '',
    tests: [SHARED],
  },
  {
    harm: 'a signal in the drain of a dump does not end what is unfinished: SIGKILL does',
    file: 'lifecycle/drain/drain.ts',
    find: "if (unfinished === 'cut') this.#leave = false;",
    replace: '',
    tests: [SHARED, DRAINED],
  },
  {
    harm: 'the client of an idle connection loses its request in the second that Node adds to keepAliveTimeout',
    file: 'lifecycle/drain/drain.ts',
    find: 'keepAliveTimeout + KEEP_ALIVE_BUFFER_MS',
    replace: 'keepAliveTimeout',
    tests: [DRAINED],
  },
];

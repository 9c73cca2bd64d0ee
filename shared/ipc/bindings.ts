// Node's own classes of pipes and sockets. Its public interface passes a listening socket only between parent and child.

/** Where a socket is bound, as libuv tells it. */
export interface BoundTo {
  address?: string;
  port?: number;
}

/** A TCP socket (src/tcp_wrap.cc). */
export interface SocketHandle {
  readonly fd: number;
  getsockname(out: BoundTo): number;
  close(): void;
}

/** A pipe that passes sockets (src/pipe_wrap.cc, src/stream_base.cc). */
export interface PassingPipe {
  readonly fd: number;
  /** The socket that came with what is read next. */
  pendingHandle?: SocketHandle | null;
  /** Without an argument: the end. */
  onread?: (data?: ArrayBuffer) => void;
  open(fd: number): number;
  connect(request: object, path: string): number;
  readStart(): number;
  readStop(): number;
  writeUtf8String(request: object, text: string, handle?: SocketHandle): number;
  close(): void;
  unref(): void;
}

export interface Bindings {
  /** Makes a pipe that passes sockets. */
  pipe(): PassingPipe;
  /** @param done is called with 0, or the number of an error */
  connecting(done: (status: number) => void): object;
  writing(): object;
}

interface PipeWrap {
  Pipe: new (type: number) => PassingPipe;
  PipeConnectWrap: new () => { oncomplete?: (status: number) => void };
  constants: { IPC: number };
}

/** @returns undefined where Node does not give them out, or would print a warning (`--pending-deprecation`) */
export function nodeBindings(): Bindings | undefined {
  try {
    const { binding } = process as unknown as { binding?: (name: string) => unknown };
    // A function of another source is Node's wrapper that warns, or somebody else's.
    if (typeof binding !== 'function' || !/\binternalBinding\b/.test(Function.prototype.toString.call(binding)))
      return undefined;
    const { Pipe, PipeConnectWrap, constants } = binding('pipe_wrap') as PipeWrap;
    const { WriteWrap } = binding('stream_wrap') as { WriteWrap: new () => object };
    return {
      pipe: () => new Pipe(constants.IPC),
      connecting: (done) => Object.assign(new PipeConnectWrap(), { oncomplete: done }),
      writing: () => Object.assign(new WriteWrap(), { oncomplete: () => {} }),
    };
  } catch {
    return undefined;
  }
}

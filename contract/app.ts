// What is an app? Its namespace and its name: PM2 lets two apps have the same name in two namespaces, and they have nothing
// to do with each other. The one place that decides it.

/** PM2's namespace of an app that names none. */
export const DEFAULT_NAMESPACE = 'default';

/** The part of a process that says which app it belongs to. */
export interface OfApp {
  /** PM2's; `default` where the app names none. */
  namespace: string;
  name: string;
}

/** An app's identity, for comparing and as a key; it is not for reading. */
export type App = string & { readonly isApp: unique symbol };

/** The app that a process belongs to. */
export function appOf({ namespace, name }: OfApp): App {
  // Both may hold any character, so that no separator between them would do.
  return JSON.stringify([namespace, name]) as App;
}

/** What a person reads, and may type as a target: `web`, or `blue:web` outside of PM2's default namespace. */
export function titleOf({ namespace, name }: OfApp): string {
  return namespace === DEFAULT_NAMESPACE ? name : `${namespace}:${name}`;
}

/** The one function used of a package that brings no types. */
declare module 'fs-native-extensions' {
  /** Asks for the kernel's exclusive lock on an open file; false when another descriptor holds it. */
  export function tryLock(fd: number): boolean;
}

/** What the native operation `file-info` gives for one file, read in one pass. */
export interface FileInfo {
  path: string;
  /** Bytes. */
  size: number;
  /** In hexadecimal, lower case. */
  sha256: string;
  /** Bytes of the file as gzip at the default level. */
  gzipSize: number;
  /** Line feeds, and one more for a last line without one. */
  lines: number;
}

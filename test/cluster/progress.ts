/**
 * Shows lines of progress on standard error: on a terminal those of the compiler replace each other, elsewhere one in
 * ten seconds is printed.
 * @param prefix stands before each line
 */
export function progressPrinter(prefix = ''): (line: string) => void {
  let lastShortLived = 0;
  let pending = false;
  return (line) => {
    const shortLived = line.startsWith('compiling ');
    if (process.stderr.isTTY) {
      process.stderr.write(`${pending ? '\r\u001b[K' : ''}${prefix}${line}${shortLived ? '' : '\n'}`);
      pending = shortLived;
    } else if (!shortLived || Date.now() - lastShortLived > 10_000) {
      if (shortLived) lastShortLived = Date.now();
      process.stderr.write(`${prefix}${line}\n`);
    }
  };
}

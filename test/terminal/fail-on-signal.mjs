/** Loaded before the plugin by NODE_OPTIONS: at SIGUSR2, one of the errors that a program should never have. */
process.on('SIGUSR2', () => {
  const error = new Error(`${process.env.SVCTRACE_TEST_ERROR} of a test`);
  switch (process.env.SVCTRACE_TEST_ERROR) {
    case 'rejection':
      void Promise.reject(error);
      return;
    case 'rendering':
      // The views measure what they paint; the next frame throws.
      Array.from = () => {
        throw error;
      };
      return;
    default:
      throw error;
  }
});

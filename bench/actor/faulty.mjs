/** A behaviour that fails when it is told to: its handler throws, or its thread ends. */
export default {
  init: () => 'ready',
  handleCall: (_message, state) => [state, state],
  handleCast(fault) {
    if (fault === 'exit') process.exit(1);
    throw new Error('as it was told');
  },
};

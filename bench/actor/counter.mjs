/** The behaviour that all sides run: a counter that answers with its new value. */
export default {
  init: () => 0,
  handleCall({ add }, count) {
    return [count + add, count + add];
  },
  handleCast: ({ add }, count) => count + add,
};

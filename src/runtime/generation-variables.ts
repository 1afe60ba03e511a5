/** Names of the variables by which a watchdog tells a generation what it is. */
export const GENERATION_VARIABLES = {
  control: "DROVER_CONTROL_SOCKET",
  generation: "DROVER_GENERATION",
  listenFd: "DROVER_LISTEN_FD",
} as const;

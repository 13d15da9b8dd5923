// Runs a program and lets it reach a socket file at a port of its own loopback:
//   node door.mjs SOCKET PORT PROGRAM ARGUMENTS...
import { constants } from "node:os";
import { createServer, connect } from "node:net";
import { spawn } from "node:child_process";

const [socket, port, program, ...args] = process.argv.slice(2);

const server = createServer((near) => {
  const far = connect(socket);
  near.pipe(far).pipe(near);
  near.on("error", () => far.destroy());
  far.on("error", () => near.destroy());
});
server.listen(Number(port), "127.0.0.1", () => {
  const child = spawn(program, args, { stdio: "inherit" });
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("error", (error) => {
    console.error(`door: ${error.message}`);
    process.exit(127);
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
});

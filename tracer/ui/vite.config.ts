import { defineConfig } from "vite";

// The built files are embedded in the server's binary and compared byte for byte by the checks, so nothing here may depend
// on the time, the machine or the folder.
export default defineConfig({
  base: "./",
  build: {
    outDir: "../server/assets",
    emptyOutDir: true,
    target: "es2022",
    // The page asks nobody for anything else, so there is nothing to load before its time.
    modulePreload: false,
    // Small pictures as data: addresses would need a wider content policy.
    assetsInlineLimit: 0,
  },
  server: {
    // `npm run dev` shows the pulls of a server that runs beside it.
    proxy: { "/api": "http://127.0.0.1:8080" },
  },
});

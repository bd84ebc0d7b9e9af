import { render } from "preact";
import "./style.css";
import { connect } from "./stream";
import { applyTheme } from "./theme";
import { Page } from "./views/Page";

applyTheme();
const root = document.getElementById("app");
if (root) render(<Page />, root);
connect();
